"""Training: data, the loop over epochs, and what regression and classification measure."""
