"""Report of campaigns: one page with charts and tables, which needs nothing else.

`content` says what is in it, as named records; `page` makes the page of them, with the files in `assets`.
"""
