"""Drawing: maps over pictures, colours, letters and sheets; knows no run."""
