"""The post as a carrier: charging points, Wi-Fi, sensors, banners. Whose they are, what they need, whom it concerns.

`conflicts` says what does not fit (pure), `store` keeps the rows and tells the city what others may see.
"""
