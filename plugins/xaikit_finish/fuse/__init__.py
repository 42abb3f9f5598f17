"""How the maps of several layers become one."""
