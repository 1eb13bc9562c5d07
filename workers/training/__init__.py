"""How the teaching models were made: text, vocabulary, network, training, export, ladder.

Run by hand (README.md beside the models says how) and imported by nothing else. Only `network`
and `train` need PyTorch: `pip install .[train]`.
"""
