"""What `localized` renders, one template for each file rendered, and carriers' APIs as data (carriers/).

Nothing but data; an admin's files in /etc/hotstandby/templates go before these.
"""
