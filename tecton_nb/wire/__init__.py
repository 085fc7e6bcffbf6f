"""JSON and text to plain values and back; no pandas, no HTTP.

Client and embedded server stand on these same functions, so a mistake here would agree with
itself: the golden bodies in the tests and the official client are its outside witnesses.
"""
