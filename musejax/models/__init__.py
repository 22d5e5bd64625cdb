"""The model families, with one file or folder each, and the code that several families share (`shared`)."""
