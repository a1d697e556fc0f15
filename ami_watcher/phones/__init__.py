"""Who is registered here: phones and peers (`contact`), who came and went (`inventory`), and the list that the other
machine reads (`exchange`).
"""
