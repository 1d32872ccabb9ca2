"""What the HTML pages of training and of an export have in common: style, figures, and how a template is filled in."""
