"""The virtual network device."""
