"""The data plane: frames to datagrams and back, in bursts."""
