"""Models in the loop: how they are asked, and what of their answers is believed."""
