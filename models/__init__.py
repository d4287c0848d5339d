"""What is computed: features, columns, scores, portraits. Arrays cross to the protocols, code does not."""
