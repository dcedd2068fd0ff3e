"""What methods made of phases share."""
