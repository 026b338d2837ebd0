"""The shipped routers, one file each."""
