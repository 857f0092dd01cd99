"""Integer networks as ONNX models, and what runs them here."""
