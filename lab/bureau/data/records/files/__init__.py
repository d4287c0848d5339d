"""Where the files of records lie: the folder or a remote store, and how each file is checked."""
