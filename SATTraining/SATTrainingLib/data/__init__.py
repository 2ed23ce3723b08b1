"""Cases on the network's grid, kept on disk, and the windows drawn from them."""
