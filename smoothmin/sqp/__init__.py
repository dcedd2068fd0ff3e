"""Sequential quadratic programming across kinks, with gradients."""
