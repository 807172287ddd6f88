"""An invisible mark in the luminance of pictures: 48 bits that say which published file they come from."""
