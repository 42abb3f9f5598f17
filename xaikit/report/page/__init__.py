"""The page of a run: one HTML file that opens from the disk, without a server or network."""
