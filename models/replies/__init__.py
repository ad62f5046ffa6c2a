"""Reading what endpoints answer: whole replies leniently, everything else as a typed failure."""
