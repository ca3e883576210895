"""The Open Inference Protocol and the health protocol over gRPC: messages, and one inference read and written."""
