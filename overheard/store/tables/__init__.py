"""The tables, a file for each kind. Times are UTC and aware; ids are strings made by whoever inserts, or counted.

Whoever needs a table imports its file alone: mapping them all takes a tenth of a second. `everything` has them all.
"""
