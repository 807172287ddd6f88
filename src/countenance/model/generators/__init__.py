"""Networks that draw a face, each with its way to a drawer; `registry` lists them."""
