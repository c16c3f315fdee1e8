"""What this node knows of the network: nodes, edges, subnets, the graph."""
