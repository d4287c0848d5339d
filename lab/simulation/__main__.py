"""``python -m lab.simulation --rows 20000 --out DIR``: writes the files of a made-up register and bank."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from lab.simulation.synthetic.portfolio import make_synthetic_portfolio
from lab.simulation.synthetic.register import MADE_UP_NOTICE, make_synthetic_register, write_synthetic_register


def main() -> None:
    """Write the files of a made-up register and bank to a folder."""
    parser = argparse.ArgumentParser(prog="python -m lab.simulation", description=MADE_UP_NOTICE)
    parser.add_argument("--rows", type=int, default=20_000, help="enterprises in the register 登记库企业数")
    parser.add_argument("--portfolio", type=int, default=5_000, help="firms of the bank 银行客户数")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True, help="folder to write to 输出文件夹")
    arguments = parser.parse_args()
    synthetic = make_synthetic_register(arguments.rows, arguments.seed)
    write_synthetic_register(synthetic, arguments.out)
    make_synthetic_portfolio(synthetic, arguments.portfolio, arguments.seed).write(arguments.out)
    for path in sorted(arguments.out.iterdir()):
        sys.stdout.write(f"{path}\n")


if __name__ == "__main__":
    main()
