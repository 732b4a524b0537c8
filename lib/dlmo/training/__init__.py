"""Training: the steps of a technique (fit, prune, quantization-aware training, distil)."""
