# Module for NixOS: the net `vpn' of services.tinc runs tincd-compat.  To go back, remove
# it from `imports', or set the package to pkgs.tinc.
#
# Untried, since no nixpkgs was at hand: nix-instantiate has parsed it, and evaluated it
# with packages that were played.
{ pkgs, ... }:
let
  tincd-compat = pkgs.python3Packages.buildPythonApplication {
    pname = "tincd-compat";
    version = "0.1.0";
    src = ../..;
    pyproject = true;
    build-system = [ pkgs.python3Packages.setuptools ];
    nativeBuildInputs = [ pkgs.pkg-config ];
    buildInputs = [ pkgs.openssl ];
    dependencies = with pkgs.python3Packages; [ cryptography h11 lzallright pyroute2 sdnotify zstandard ];
    env.TINCD_COMPAT_EXTENSION = "yes";
    doCheck = false;
  };
in
{
  services.tinc.networks.vpn.package = tincd-compat;
}
