"""Label images: who owns a pixel, what a mask becomes, who is who."""
