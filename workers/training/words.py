"""The raw material of the text: plain lists of words, so that sentences have many free places."""


def listed(text: str) -> tuple[str, ...]:
    """The words of `text`, which stand between spaces or line ends."""
    return tuple(text.split())


def paired(text: str) -> tuple[tuple[str, str], ...]:
    """The pairs of `text`, written "one/other"."""
    pairs = (pair.partition("/") for pair in text.split())
    return tuple((one, other) for one, _, other in pairs)


FIRST_NAMES = listed(
    """Ada Adil Agnes Aida Alba Alec Alma Amos Anya Arlo Arne Asha Astrid Aziz Basil Bea Ben Bess
    Bianca Boris Bram Bruno Cara Carl Cato Cecil Celia Clara Clive Cora Cyril Dana Daphne Dario
    Delia Dina Dora Edda Edgar Edith Effie Elias Elif Elsa Emil Enid Enzo Erik Esme Ester Ezra
    Fay Felix Fern Fiona Flora Franz Freya Frida Gail Gemma Georg Gilda Glen Greta Gus Gwen Hal
    Hanna Harun Hazel Hector Hedda Helga Henry Hilda Hugo Ida Igor Ilse Imre Ines Ingrid Irma
    Isaac Ivan Ivy Jana Jasper Jens Joan Jonas Josef Jude Julia Juno Kai Kamal Karin Kasper Katya
    Keiko Kemal Kira Klaus Knut Lara Lars Lea Leif Lena Leo Lily Linus Lola Lorna Lotte Louis
    Lucas Luna Mabel Magda Malik Mara Marco Margot Mario Marta Maud Max Maya Mehdi Milan Milo
    Mina Mira Moritz Nadia Nell Nico Nils Nina Noah Nora Odile Olaf Olga Omar Oona Oscar Osman
    Otto Pablo Paula Pedro Petra Pia Piet Quinn Rafi Ralph Remy Rhea Rita Robin Rolf Rosa Ruben
    Ruth Sami Sara Saul Selma Sigrid Silas Simon Sofia Sonja Stella Sven Tamar Tara Teo Thea
    Thora Tilda Tobias Tomas Tove Ugo Ulla Una Ursel Vera Victor Viggo Viola Wanda Willa Wim
    Xenia Yara Yorick Yusuf Zara Zeno Zita"""
)
TOWN_HEADS = listed(
    "Al Bar Bel Bran Cal Cor Dal Dor El Fal Far Gal Gor Hal Hol Kel Kor Lan Lor Mar Mor Nar Nor "
    "Or Pel Quar Ros Sal Sel Tal Tor Ul Val Var Wen Wil Yar Zel"
)
TOWN_TAILS = listed(
    "bek dane den dor fell ford gard grim ham holm ia lin low mere mond mouth nath neth ra rick "
    "ros stad sten tern ton vale ven vik wick zar"
)
FAMILY_NAMES = listed(
    """Abel Alder Amber Archer Ashe Baker Banks Barrow Beck Birch Blake Bloom Boon Bower Brand
    Brook Burr Carver Chase Clay Cliff Cole Crane Cross Dale Drake Dunn Eaves Elm Falk Fenn Finch
    Flint Frost Gale Garth Glass Grove Hale Harrow Hart Heath Hill Holt Horn Hurst Kemp Keys Kite
    Lake Lamb Lane Lark Leaf Locke Marsh May Mead Mills Moss Nash North Oakes Page Park Peel Pike
    Pond Poole Quill Reed Ridge Roe Root Rowe Sage Shaw Snow Stone Storm Swan Thorn Vale Vane
    Wade Ward Webb Wells West Wolf Wren York"""
)
RIVERS = listed(
    """Aln Arva Bann Bree Clyst Dray Elve Esk Fenna Garr Ilva Isk Jory Kessa Lune Mirn Nadder
    Ochre Olt Orva Pell Quell Rill Sarn Sava Tavy Tessa Ure Vilna Wend Yare Zarn"""
)
TRADES = listed(
    """baker barber beekeeper blacksmith boatman bookbinder brewer builder butcher candlemaker
    carpenter cartographer clockmaker cobbler cook cooper dentist doctor dyer engineer farmer
    ferryman fisher florist gardener glassblower goldsmith hatter inventor judge librarian
    locksmith mason midwife miller miner musician nurse painter pilot plumber porter potter
    printer ropemaker saddler sailmaker sailor scribe sculptor shepherd singer surgeon surveyor
    tailor tanner teacher tinker translator watchman weaver wheelwright winemaker"""
)
PRODUCTS = listed(
    """amber anchors apples baskets bells blankets bread bricks bronze butter candles carpets
    cheese cherries chalk cider clocks coal copper cotton cups dolls drums figs flutes fur glass
    gloves grapes hats herbs honey ink iron jam kites knives lace lamps leather lemons linen
    maps marble masks mirrors mustard needles oil olives onions paper pearls pears pepper plums
    pots rope roses rugs saddles salt silk silver slate soap spices stamps steel sugar tea tiles
    timber tin toys umbrellas velvet vinegar violins walnuts wax wheat wine wool"""
)
ANIMALS = listed(
    """badger bat bear beaver camel cat crab crane crow deer dog donkey dove duck eagle falcon
    ferret fox frog goat goose hare hawk hedgehog hen heron horse kitten lamb lizard llama mole
    monkey moose moth mouse mule newt otter owl ox parrot pig pony puppy rabbit raven robin
    rooster seal sheep snail sparrow spider squirrel stork swan toad tortoise turkey turtle
    whale wolf"""
)
THINGS = listed(
    """apron axe bag ball barrel basket bell belt bicycle blanket boat book boot bottle bowl box
    bracelet broom brush bucket button candle cap card carpet cart chain chair chest clock cloak
    coat coin comb compass cup diary dish doll drum feather fiddle flag flute fork glove hammer
    harp hat helmet hook horn jar jug kettle key kite knife ladder lamp lantern letter lock map
    mask medal mirror mug necklace needle net notebook oar paddle painting pan parcel pen pencil
    picture pillow pipe plate pot puppet purse puzzle quilt rake ribbon ring rope rug sack saddle
    saw scarf shawl shell shield shoe shovel sled spade spoon stamp stick stone stool sword table
    teapot telescope tent ticket torch towel toy tray trumpet tub umbrella vase violin wagon
    watch wheel whistle"""
)
PLACES = listed(
    """abbey attic bakery barn beach bridge cabin camp castle cave cellar chapel church clearing
    cliff cottage courtyard dairy dock farm ferry field forest forge fountain garden gate glade
    hall harbour hill hut inn island jetty kitchen lake library lighthouse market marsh meadow
    mill mine museum orchard palace park pasture path pier pond port quarry river road school
    shop shore smithy square stable station stream swamp tavern temple theatre tower tunnel
    valley village vineyard wall well wharf windmill wood workshop"""
)
QUALITIES = listed(
    """ancient bitter black blue brave bright broken brown calm cheap clean clever clumsy cold
    cosy crooked curious dark deep dusty empty enormous faded famous fierce fine flat foggy
    fragile fresh friendly gentle golden grand green grey heavy hidden hollow honest huge icy
    jolly kind large lazy light little lonely long lost loud lovely lucky misty muddy narrow
    neat new noisy odd old orange pale patient plain polite proud purple quick quiet rare red
    ripe rough round rusty sad secret shabby sharp shiny short shy silent silver simple slow
    small smooth soft square steep sticky stiff strange strong stubborn sturdy sunny sweet tall
    thick thin tiny tired warm weak wet white wicked wide wild wise wooden yellow young"""
)
FEELINGS = listed(
    """afraid amazed angry ashamed bored brave calm careful cheerful cold confused content
    curious delighted dizzy eager excited glad grateful guilty happy hopeful hungry impatient
    jealous lonely merry nervous pleased proud puzzled quiet ready relieved restless sad safe
    satisfied scared serious shocked sleepy sorry stubborn surprised thankful thirsty tired
    uneasy unhappy upset warm weary worried"""
)
FOODS = listed(
    """apples bacon beans berries biscuits bread broth butter cabbage cake carrots cheese
    cherries chestnuts chicken cream dumplings eggs figs fish garlic ginger grapes ham honey
    jam leeks lemons lentils milk mushrooms mustard noodles nuts oats olives onions pancakes
    pasta pears peas pepper pickles pie plums porridge potatoes pudding pumpkin radishes raisins
    rice salt sausages soup spinach stew sugar toast tomatoes turnips waffles walnuts"""
)
# Each verb with its simple past, as it stands before a thing: "to mend" -> "mended the kettle".
DEEDS = paired(
    """admire/admired bend/bent borrow/borrowed break/broke bring/brought
    brush/brushed bury/buried buy/bought carry/carried carve/carved catch/caught choose/chose
    clean/cleaned collect/collected copy/copied count/counted cover/covered cut/cut
    decorate/decorated deliver/delivered describe/described draw/drew drop/dropped dry/dried
    empty/emptied examine/examined exchange/exchanged fetch/fetched fill/filled find/found
    fix/fixed fold/folded follow/followed forget/forgot give/gave grab/grabbed guard/guarded
    hang/hung hide/hid hold/held keep/kept kick/kicked lend/lent lift/lifted lose/lost
    make/made measure/measured mend/mended move/moved notice/noticed offer/offered open/opened
    order/ordered pack/packed paint/painted pick/picked place/placed polish/polished
    pull/pulled push/pushed raise/raised receive/received remember/remembered repair/repaired
    return/returned roll/rolled save/saved sell/sold send/sent share/shared shake/shook
    show/showed sketch/sketched spill/spilled steal/stole study/studied swap/swapped take/took
    throw/threw tie/tied touch/touched trade/traded trust/trusted turn/turned use/used
    want/wanted wash/washed watch/watched weigh/weighed win/won wrap/wrapped"""
)
MOVES = listed(
    """climbed crawled crept cycled danced drifted flew galloped hiked hopped hurried jogged
    jumped limped marched paddled raced ran rode rolled rowed rushed sailed skipped slid sneaked
    stepped stomped stumbled swam travelled trotted walked wandered"""
)
SAYINGS = listed(
    """added agreed announced answered argued asked begged boasted called complained cried
    croaked declared explained giggled groaned grumbled guessed insisted joked laughed murmured
    muttered promised repeated replied said shouted sighed smiled snapped sobbed suggested
    warned whispered wondered yelled"""
)
MANNERS = listed(
    """angrily badly bravely brightly calmly carefully cheerfully clearly cleverly coldly
    eagerly easily finally firmly gently gladly gratefully happily heavily honestly hungrily
    kindly lazily loudly madly merrily nervously nicely patiently politely poorly promptly
    proudly quickly quietly rudely sadly safely secretly shyly silently simply slowly smoothly
    softly steadily strangely suddenly sweetly warmly weakly wildly wisely"""
)
TIMES = tuple(
    time.replace("_", " ")
    for time in listed(
        """dawn breakfast noon lunchtime dusk midnight sunrise sunset teatime nightfall Easter
        harvest_time the_first_snow the_spring_fair the_full_moon market_day low_tide high_tide
        the_new_year the_last_bell closing_time the_end_of_May the_turn_of_winter"""
    )
)
WEATHERS = listed(
    """rain snow fog hail sleet thunder lightning wind sunshine drizzle frost ice mist clouds
    heat smoke dust storms"""
)
NUMBERS = listed(
    """two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen
    sixteen seventeen eighteen nineteen twenty thirty forty fifty sixty ninety"""
)
WEEKDAYS = listed("Monday Tuesday Wednesday Thursday Friday Saturday Sunday")
MONTHS = listed(
    """January February March April May June July August September October November
    December"""
)
OPPOSITES = paired(
    """hot/cold big/small up/down left/right day/night old/new fast/slow open/shut
    wet/dry full/empty hard/soft high/low rich/poor early/late loud/quiet light/dark near/far
    deep/shallow clean/dirty happy/sad strong/weak thick/thin wide/narrow young/old long/short
    sweet/bitter brave/afraid first/last true/false always/never inside/outside push/pull
    buy/sell give/take win/lose rise/fall begin/end remember/forget friend/enemy summer/winter
    north/south east/west heavy/light rough/smooth sharp/blunt tight/loose"""
)
