"""Runs every benchmark and prints a table for each question: `make bench`, or `python benchmarks --rows 3000000`."""

from __future__ import annotations

import argparse

import chain_latency
import postgis_vs_ogr2ogr
import vector_vs_script
from rich.console import Console
from rich.table import Table

BENCHMARKS = (vector_vs_script, chain_latency, postgis_vs_ogr2ogr)

parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
for benchmark in BENCHMARKS:
    benchmark.add_options(parser)
options = parser.parse_args()

console = Console()
for benchmark in BENCHMARKS:
    with console.status(benchmark.QUESTION):
        row = benchmark.measure(options)
    table = Table(title=benchmark.QUESTION, title_justify="left")
    for name in benchmark.HEADER:
        table.add_column(name, justify="right")
    table.add_row(*row)
    console.print(table)
