"""What can be typed. Each command imports what it needs when it is called, so help is quick."""
