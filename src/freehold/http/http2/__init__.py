"""HTTP/2 as a server of gRPC needs it (RFC 9113, RFC 7541): frames, header compression, flow control, bounds."""
