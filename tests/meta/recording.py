"""A session recorded from a C tincd 1.0.36 responder, with throw-away 512-bit keys."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from tincd_compat.meta.identity import Identity, PeerIdentity

PUBLIC_EXPONENT: Final = 65537


@dataclass(frozen=True)
class RecordedKey:
    """RSA by its bare formula."""

    modulus: int
    exponent: int = field(repr=False)

    @classmethod
    def from_hex(cls, modulus: str, exponent: str) -> RecordedKey:
        return cls(int(modulus, 16), int(exponent, 16))

    @property
    def bits(self) -> int:
        return self.modulus.bit_length()

    @property
    def size(self) -> int:
        return (self.bits + 7) // 8

    def encrypt(self, block: bytes) -> bytes:
        return self._power(block, PUBLIC_EXPONENT)

    def decrypt(self, block: bytes) -> bytes:
        return self._power(block, self.exponent)

    def _power(self, block: bytes, exponent: int) -> bytes:
        number = int.from_bytes(block, "big")
        if number >= self.modulus:
            raise ValueError("data too large for modulus")
        return pow(number, exponent, self.modulus).to_bytes(self.size, "big")


INIT_KEY: Final = RecordedKey.from_hex(
    "BA4D3118D90CC6FCFECE9A72F623CC5E641AE809490B656B2068B1024C374070"
    "437465609A827AAAAFD093A517863FD102DA6E222E3B9A43480FB702C633683F",
    "8AEF0A1047BD99A00EBE30BC4F073F5F9D33DB9B211818981D6135B04AFA6158"
    "8F3045FA3FD3F509451789D2F893384AA28DB7240D1E8320B2310C9C0B8B9E31",
)
RESP_KEY: Final = RecordedKey.from_hex(
    "E182C6D2EED82CB143EB1B2B11290330C717DBA4D3A7779F536D61C33F4218D6"
    "8E76FB336F813ED8E8369C1E3F0E7A4E8BCF739FD6AD399779C3BEEA25157BF3",
    "8ED5AC65520EEE4FE0FAFB1C4E2431F7254381456721FD6C970503150DEE2998"
    "1BFFED56DEE41AFFF9E4868E7B408764DFB31AD1573EF8566A7487F20D669881",
)

#: The random blocks behind the METAKEYs, and the challenges.
INIT_BLOCK: Final = bytes.fromhex(
    "77C9486337B942E2973FD73E5651C673588FBA5F8A2909DD5A62D9657CCD49F7"
    "EC07725AAAF955EB5C977909A9ED3F26863C1C6CA46F5CEED42E761431FB6CCF"
)
RESP_BLOCK: Final = bytes.fromhex(
    "40E61D45F122508C90FE2F047DC6833966F1EA584DB80DD67FBC492366296612"
    "D48A626EBD995585D73C61191003A6DB47375C40BC230FE4F0377269080238E5"
)
INIT_CHALLENGE: Final = bytes.fromhex(
    "F9C21AA5B4AA4F12DD86C6AE119B01AA92B64D9A598D4D288832C9793D30FC43"
    "968326ABCD769433808B998C94080D2687247B113DC496AF59EDF9243AE17F7D"
)
RESP_CHALLENGE: Final = bytes.fromhex(
    "11BAB4299BEA91C82A64675803DD4072D92A9F1093559A294A3800A4CAC95787"
    "190C9440A312F0C33E9E0D979309A6392F16464973C1E08AECCC848C0AC9D73A"
)

#: What each side sent in the clear.
INIT_PLAIN: Final = (
    b"0 v_init 17\n"
    b"1 429 672 0 0 "
    b"269E5E395CB895B46103E95E418234877D0F28DCB92525ECA087DBE8018C2D85"
    b"84B954D2C9AADBD8286CB01A79C2C1C164C582B8F4D5C8CE66397EF367CA1480"
    b"\n"
)
RESP_PLAIN: Final = (
    b"0 v_resp 17\n"
    b"1 429 672 0 0 "
    b"A72856819D323C045515A2D88B2F7C152343BAF13C196AD75BA1B265E5E9E258"
    b"C65BDA2C3A03B15C29DFA91A85D893798B038534EF73895C455F49876BDCE1E6"
    b"\n"
)

#: The lines each side sent behind its ACK.
INIT_LINES: Final = (b"12 1234abcd v_init v_resp 127.0.0.1 6551 c 7",)
RESP_LINES: Final = (
    b"10 1136d780 v_resp 10.1.0.0/24#10",
    b"12 26d9f6ef v_resp v_init 127.0.0.1 7001 c 27",
    b"16 v_resp v_init A13939ED04F7D8A0A8BF2F733ABFE560C0017CD4FB3724B11717F51"
    b"97D43BB7988DE55D37B495FBCE8D0C1BB3D388090 427 672 4 0",
)

#: What each side sent behind its METAKEY, as it was on the wire.
INIT_CIPHERTEXT: Final = bytes.fromhex(
    "35d2a1139d1dd5499f7855c29a1cb1c2b0ec0bfe0db19d67b26478f5f4d71a34"
    "f543902d0b9af6826fbd0c31ffff951d5b14fe63fcae624a09cfefba96d8abfe"
    "c633c617c683847e71ca094985af1f48168ca1bb0879d1eb14598da2ba9846b8"
    "1b3eef53dae9e55e273bdb16326fb5d752332df48c1d6ed3f1eda1c7e632e664"
    "60ec12025349cf2972b7f143ab5f10f7a7cf101b53146052f21eabab228ae30d"
    "8fa88a4adbc4cbd356cdc4f1db6d50dbc6fcf08da2e70e1fdc19ed3b5a97035b"
    "e05196abfc03a80442327578441eac23f35e2e87b4bc0d059191895ae7df8748"
    "b8649d2540fb500b5aca06990bd54912b05d7fe90639472924652d3a1120f7"
)
RESP_CIPHERTEXT: Final = bytes.fromhex(
    "d5eb04b48dd735a9660933ca7d871a6dc19867de3f50efcb9401179aa4eea7d0"
    "9438873490cde8b90f4c80645b3987ae490c96f3ce615d03f2194d7d5c0ff965"
    "7c18f40fdc5cee1d0eca2a6750b602e88d50733d9ea357fd4a983cb32b0c5c15"
    "25b0416ff6704915ae00c32fced911ec3237759657afcd64bc938cc82341202d"
    "152732f5f95a0ab16fe39400006ba01cae1251cceab57abbd0ff377aa4264374"
    "183cfae17f086947a6185ddd66c5a8bdfdca3c575715a59040ff60a7ee1cacb5"
    "95ed63eb952b6b664874554ba481de097efbf651f008c76b0a961363f5ec2de9"
    "4b0a76daa88a61f444e1b61f5f92f8138d2ecf54b5e5382c6757a8e75fd8b572"
    "b00ce7fba13895d99fb50329572b23e8f594d43674103ca660cd869037a29f14"
    "38705da0707abe129b0e6c5d28046ca6489c4070efddf299abcce7a63c382c16"
    "fb7efb2033fe0da9700579895e5f8eda6a16732221b34020342610d5499d6740"
    "315372f0d1a8bfb1aff71eefd0e40f4fd1b99f653b6c392e6b5bb78cd34f526f"
    "d58ebc18a82c02fd39a34cad7bc5ae584df895baa9d5678eea840f5c5cd7bc13"
)

#: Each side as it was configured, and what it knew of the other.
INIT: Final = Identity("v_init", INIT_KEY, "7001", 429)
RESP: Final = Identity("v_resp", RESP_KEY, "6551", 429)
INIT_SEEN_BY_RESP: Final = PeerIdentity(INIT_KEY, None, 0xC)
RESP_SEEN_BY_INIT: Final = PeerIdentity(RESP_KEY, 10, 0xC)
#: What the responder measured, in seconds.
RESP_ELAPSED: Final = 0.0455
