"""Reading and writing of music files, and their shared basis: tempo map, grid, metre and parts."""
