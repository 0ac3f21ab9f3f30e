"""Sound: samples, spectrograms and the way back."""
