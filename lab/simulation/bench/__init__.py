"""Measuring: made-up files of register size, both parties run over them as commands, and the figures that come out."""
