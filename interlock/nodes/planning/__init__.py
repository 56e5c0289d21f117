"""Plans: asked, checked, proposed to people, continued and replanned."""
