"""The codec against worked examples and packets that tincd 1.0.36 sent."""

from __future__ import annotations

import pytest

from tests.tunnel.samples import DEFAULT, FRAME_A, KEY, seal, suite_of
from tincd_compat.tunnel import compression
from tincd_compat.tunnel.codec import Drop, Opened, Opener, Sealer

pytestmark = pytest.mark.usefixtures("implementation")


def unhex(text: str) -> bytes:
    return bytes.fromhex(text)


CIPHERTEXT_A = unhex(
    "9c5048e8cb08b2b5aadb74a4b6da429c9a6a67dce9ceb9f73558ae252d1a599c"
    "1d9edac728a961c7181c58ce5133a3b2935edc0e727492bcd8e036ca84ef3d30"
)
FRAME_B = unhex(
    "0000000000000000000000000000030a11181f262d343b424950575e656c737a81888f969da4abb2"
    "b9c0c7ced5dce3eaf1f8ff060d141b222930373e454c535a"
)
BODY_F_ZLIB = unhex(
    "78da636040000e06570606152d71070607c69efc032b18190fac6062e460b8b255c88481d1d1c9d9"
    "c5d5cddd03009e3b0900"
)


class TestWorkedExamples:
    def test_a_data_packet(self) -> None:
        (datagram,) = seal(DEFAULT, KEY, FRAME_A)
        assert datagram == CIPHERTEXT_A + unhex("36439037")
        opened = Opener(DEFAULT, KEY).open_train([datagram])
        assert opened == [Opened(FRAME_A, 50, None, 1, 0)]

    def test_b_probe_and_answer(self) -> None:
        request = unhex(
            "24987b2f2d03baece0b705d4903979a61be6b609fd49e479b47043ca84d87214"
            "c2192fbae962ef3499cf2eece9a0f6283236e31265b25d264f52ab3b22a057a8"
            "77783002a5b6bbc6a7aa8e82eb814ebf5f9e016e"
        )
        answer = unhex(
            "1b30819dfb9e6aeebdf949b82738711666f5f7211000c333bac16ba1a56e5a6d"
            "01dd41ab0591721d06250e11d301c96714e4cc5b52f6d8b8247c80b7f3e52f5e"
            "625eb96f73dc633c0860490b675f16da582fa526"
        )
        sealer = Sealer(DEFAULT, KEY)
        assert sealer.seal_train([FRAME_A, FRAME_B])[1] == request
        back = bytes(range(0x80, 0xB0))
        assert seal(DEFAULT, back, b"\1" + FRAME_B[1:]) == [answer]
        (opened,) = Opener(DEFAULT, KEY).open_train([request])
        assert (opened.frame, opened.seqno) == (FRAME_B, 2)

    def test_c_old_default(self) -> None:
        suite, key = suite_of(91, 64, 4), bytes(range(0x40, 0x58))
        datagram = unhex(
            "1608a68188ca12dd41628b91004d823c4e264f42b187c607c464fe098cd48a60"
            "a61ec32bb963b031c9c8d1766cc8321f293493332debe3822ff18f1c"
        )
        assert seal(suite, key, FRAME_A) == [datagram]
        assert Opener(suite, key).open_train([datagram])[0].frame == FRAME_A

    def test_d_null_cipher(self) -> None:
        datagram = unhex("00000001") + FRAME_A + unhex("ca878013")
        assert seal(suite_of(0, 672, 4), b"\x5a", FRAME_A) == [datagram]
        (opened,) = Opener(suite_of(0, 672, 4), b"\x5a").open_train([datagram])
        assert opened.frame == FRAME_A

    def test_e_null_cipher_and_digest(self) -> None:
        datagram = unhex("00000001") + FRAME_A
        assert seal(suite_of(0, 0, 4), b"\x5a", FRAME_A) == [datagram]
        (opened,) = Opener(suite_of(0, 0, 4), b"\x5a").open_train([datagram])
        assert opened.frame == FRAME_A

    def test_f_zlib_body(self) -> None:
        (datagram,) = seal(DEFAULT, KEY, BODY_F_ZLIB)
        (opened,) = Opener(DEFAULT, KEY, level=9).open_train([datagram])
        assert (opened.frame, opened.length) == (FRAME_A, len(BODY_F_ZLIB))
        (datagram,) = seal(DEFAULT, KEY, FRAME_A, level=9)
        (opened,) = Opener(DEFAULT, KEY, level=1).open_train([datagram])
        assert opened.frame == FRAME_A

    @pytest.mark.parametrize("level", [10, 11])
    def test_f_lzo_body(self, level: int) -> None:
        body = b"\x43" + FRAME_A + unhex("110000")
        (datagram,) = seal(DEFAULT, KEY, body)
        (opened,) = Opener(DEFAULT, KEY, level).open_train([datagram])
        assert opened.length == 54
        if compression.available(level):
            assert opened.frame == FRAME_A
        else:
            assert opened.drop is Drop.UNCOMPRESSABLE


# Name, cipher, digest, compression, key, datagram, seqno, frame (maclength is 4).
CAPTURES = [
    pytest.param(
        *(427, 672, 0),
        "8fc356e703e35c05fb11b4bd3e2db5232420866f25169ec91bb61b11316a4cd5"
        "e072f60232b4a9f5dc54346f88bc834d",
        "413de2c5fee69093dad36886990d51b7d5354235b97f2c0c1bd928592770d66a"
        "aa120dff042a8eaa65e9c42d2c302a5782c8bc30b08c4f079120245396e8f1ea"
        "3f97cc10036d7bb0c5f10ab9251d3d96a2fa3ad125a8969469c504108c20cde1"
        "6eb9d0a722d6adedd79022819f88ec80b73fcef5",
        13,
        "000000000000000000000000080045000054812b40004001352bc0a80101c0a8"
        "020108002c5d443100013ce1026b000000006517040000000000ffeec0ffeec0"
        "ffeec0ffeec0ffeec0ffeec0ffeec0ffeec0ffeec0ffeec0ffeec0ffeec0ffee"
        "c0ff",
        id="G1 default",
    ),
    pytest.param(
        *(91, 64, 0),
        "f6860c52409947fb84a76902821e9870235db6395350af26",
        "11e12fbfcf9fd9a41813dfc9c53ef48ad40d70e201cb9cad5de03a60554a246b"
        "f90180e1019c015facd1491f60bb8cebb1fdfbdcd886635456c20d18f5f861ec"
        "a76663f78818fe31de2db8a63fc2a6a2854f3e01f01fbce423aa5a57ac9b6439"
        "e51278b1572aed1de3713c2b",
        13,
        "0000000000000000000000000800450000546a45400040014c11c0a80101c0a8"
        "02010800e0ed44c3000144e1026b00000000a6f4050000000000ffeec0ffeec0"
        "ffeec0ffeec0ffeec0ffeec0ffeec0ffeec0ffeec0ffeec0ffeec0ffeec0ffee"
        "c0ff",
        id="G2 Blowfish and SHA1",
    ),
    pytest.param(
        *(427, 672, 10),
        "63916b1a6050aac9367e2c4e226ac6e42daa9c3d2b47a4010d5596df4f876de9"
        "b56a2fc92e6f2a8ec2bd0e65d0da3add",
        "ed236fcd654e5b36df5aa23d803a8c61b2f60588ed2560bc92f83162b0a0c11e"
        "64d4f6bfdfea6974b04867021c885007da24affbe89854d40b91bd50ed6d0621"
        "1f54c44167166a46064c2646bbe9b20a4ad4df21e434db66b77b90b0143999ed"
        "68fd1cd7",
        10,
        "000000000000000000000000080045000054813c40004001351ac0a80101c0a8"
        "02010800cce6453900014ce1026b00000000b185060000000000ffeec0ffeec0"
        "ffeec0ffeec0ffeec0ffeec0ffeec0ffeec0ffeec0ffeec0ffeec0ffeec0ffee"
        "c0ff",
        id="G3 LZO, level 10",
    ),
    pytest.param(
        *(427, 672, 11),
        "b18dc9b181ea6d92b82960fe3cd97a10ab3848c77496bdb47eddc4390a7190ed"
        "3f24d591ce16c487d2111402ba89b3dc",
        "fe4d7cc4071088c835ab92f8179e7746baa4eb943cc8ba6226e334de752bffe9"
        "140deba9bc8a1baac89adf35654ec0aaef8b9e27951d14736678e45d3c90c180"
        "9657ae7b",
        6,
        "0000000000000000000000000800450000544b9c00004001aabac0a80201c0a8"
        "01010000d4e6453900014ce1026b00000000b185060000000000ffeec0ffeec0"
        "ffeec0ffeec0ffeec0ffeec0ffeec0ffeec0ffeec0ffeec0ffeec0ffeec0ffee"
        "c0ff",
        id="G4 LZO, level 11",
    ),
    pytest.param(
        *(0, 64, 9),
        "1a",
        "0000000c78da636040000e0657068610a74f0e0c0e8cc529075630321e58c1c4"
        "c8c110c2ebba968131e42153364895ec6b2eb0eaffef0e108500795f2ddba777"
        "574d",
        12,
        "00000000000000000000000008004500005442f2400040017364c0a80101c0a8"
        "02010800540d45ad000154e1026b000000001deb0a0000000000ffeec0ffeec0"
        "ffeec0ffeec0ffeec0ffeec0ffeec0ffeec0ffeec0ffeec0ffeec0ffeec0ffee"
        "c0ff",
        id="G5 null cipher, SHA1, zlib 9",
    ),
]


@pytest.mark.parametrize(
    ("cipher", "digest", "level", "key", "datagram", "seqno", "frame"), CAPTURES
)
def test_captures_of_tincd(
    cipher: int,
    digest: int,
    level: int,
    key: str,
    datagram: str,
    seqno: int,
    frame: str,
) -> None:
    suite, key_block, data = suite_of(cipher, digest, 4), unhex(key), unhex(datagram)
    opener = Opener(suite, key_block, level)
    assert opener.matches(data)
    (opened,) = opener.open_train([data])
    assert (opened.seqno, opener.highest) == (seqno, seqno)
    if compression.available(level):
        assert opened.drop is None
        assert opened.frame == unhex(frame)
    else:
        assert opened.drop is Drop.UNCOMPRESSABLE
    if level == 0:
        assert seal(suite, key_block, unhex(frame), first=seqno) == [data]
