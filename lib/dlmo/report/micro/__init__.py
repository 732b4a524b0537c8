"""The chapter "Does it fit?": files under TFLite Micro, their RAM, and boards."""
