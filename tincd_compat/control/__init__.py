"""How messages change the mesh: rules that return effects and touch no socket."""
