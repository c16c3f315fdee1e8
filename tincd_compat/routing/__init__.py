"""Where a frame goes; reads the mesh, never writes it."""
