"""Everyone takes part: events with a live vote, and the theme groups that come of it.

An organiser makes an event with polls; people in a hall or at home join with a phone and vote; the stage shows it.

    events/    events, polls and options: what the organiser prepares and steers
    joining/   who may vote: invitation codes, seats, open links; what the phone keeps of it; the helpers' desk
    ballots/   votes: received once, kept, changed, counted; secret ones without a way back to who cast them
    choosing/  "choose your group": places by wishes, by lot or by arrival, waiting lists; the rule and its proof
    stage/     what phones and the big screen show while it goes on, and the results afterwards
    moderation/ what people report, what is hidden and why, appeals; news of the groups by mail

Each area has a `manifest.py` with what it adds to the app. Who voted what never becomes an entity; counts do.
"""

from .app import app

__all__ = ["app"]
