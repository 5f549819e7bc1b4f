"""A client by slixmpp for tests/clients: says what happens on standard output, does what it is told on standard input.

told:  send ADDRESS TEXT · port NUMBER (where to come back to) · quit
says:  ready · got FROM TEXT · resumed · lost
"""

import asyncio
import sys

import slixmpp


class Library(slixmpp.ClientXMPP):
    def __init__(self, jid, password, port):
        super().__init__(jid, password)
        self.port = port
        self.register_plugin("xep_0198")
        # A lost connection is no lost session: that is what resumption is for.
        self.end_session_on_disconnect = False
        self.register_plugin("xep_0199")
        self.add_event_handler("session_start", self.begin)
        self.add_event_handler("session_resumed", lambda _: self.say("resumed"))
        self.add_event_handler("disconnected", self.lost)
        self.add_event_handler("connection_failed", self.lost)
        self.add_event_handler("message", self.got)

    def say(self, text):
        print(text, flush=True)

    async def begin(self, _):
        self.send_presence()
        await self.get_roster()
        self.say("ready")

    def got(self, message):
        self.say(f"got {message['from'].bare} {message['body']}")

    def lost(self, _):
        self.say("lost")

    def told(self):
        words = sys.stdin.readline().strip().split(" ", 2)
        if words[0] == "send":
            self.send_message(mto=words[1], mbody=words[2], mtype="chat")
        elif words[0] == "port":
            self.port = int(words[1])
            self.dial()
        else:
            self.disconnect()
            self.loop.stop()

    def dial(self):
        self.connect(("127.0.0.1", self.port))


def main():
    jid, password, port, certificate = sys.argv[1:5]
    client = Library(jid, password, int(port))
    client.ca_certs = certificate
    client.loop.add_reader(sys.stdin, client.told)
    client.dial()
    client.loop.run_forever()


asyncio.set_event_loop(asyncio.new_event_loop())
main()
