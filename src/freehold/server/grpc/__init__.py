"""What one node answers over gRPC: the Open Inference Protocol and the health protocol, beside the HTTP of `server`."""
