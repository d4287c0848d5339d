"""Tables that several commands show: of a catalogue, of how the columns of a file were read."""
