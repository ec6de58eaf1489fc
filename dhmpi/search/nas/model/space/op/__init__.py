"""Operations: of all data (basic), of vectors and sequences (op1d), and of images (cnn)."""
