"""What is computed: features, columns, scores, portraits. Arrays cross between this room and the protocols, code does not."""
