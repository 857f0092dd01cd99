if (@AT@ == @N@u)
    break;
