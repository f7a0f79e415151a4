"""One file a page; see `dashboard.navigation`."""
