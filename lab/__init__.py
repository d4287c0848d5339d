"""Shulab (数字实验室): the parties of the digital lab."""
