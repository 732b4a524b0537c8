"""What the chapters of the paper's Section 3 show: a module a technique, each with its tables,
charts and sentences. The numbers come from records, from kept files and from `arithmetic`.
"""
