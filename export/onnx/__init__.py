"""Integer networks as ONNX models, and engines that run them."""
