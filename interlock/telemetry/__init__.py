"""What happens, as it happens: frozen events and who listens to them."""
